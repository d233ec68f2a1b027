"""The station as a record that can grow; directions in whole degrees, as the instruments give them."""

from instar import op

upgrade = [
    op.move("origin", to="station.code"),
    op.add("station.network", "string", default="ASOS"),
    op.cast("wind_direction", "int32"),
    op.require("pressure", fill=-1.0),
]
