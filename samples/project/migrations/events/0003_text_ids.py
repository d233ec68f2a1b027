"""Ids as text, which no reader rounds; the owner's login beside the repository's name; every event has an action."""

from instar import op

upgrade = [
    op.cast("actor.id", "string"),
    op.cast("repository.id", "string"),
    op.move("repository.owner.login", to="repository.owner_login"),
    op.require("action", fill="none"),
]
