"""A run's account as one HTML page that a data owner can read: no network, no script. Needs the extra `report`."""
