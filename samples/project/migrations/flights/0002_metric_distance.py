"""Distances in kilometres, and delays named in full."""

from instar import op

upgrade = [
    op.rename("dep_delay", to="departure_delay"),
    op.rename("arr_delay", to="arrival_delay"),
    op.derive("distance_km", "double", sql="distance * 1.609344::DOUBLE", nullable=False),
    op.drop("distance"),  # lost: `downgrade` says how to get it back
]
downgrade = {"distance": "round(distance_km / 1.609344)::BIGINT"}
