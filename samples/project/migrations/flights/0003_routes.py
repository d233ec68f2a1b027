"""Origin and destination as one route; flight numbers as text, as airlines write them."""

from instar import op

upgrade = [
    op.move("origin", to="route.origin"),
    op.move("dest", to="route.destination"),
    op.cast("flight", "string"),
    op.add("source", "string", default="BTS"),
    op.drop("hour"),
    op.drop("minute"),
]
downgrade = {"hour": "(sched_dep_time // 100)::INTEGER", "minute": "(sched_dep_time % 100)::INTEGER"}
