"""Temperatures in degrees Celsius, and full names for the wind."""

from instar import op

upgrade = [
    op.derive("temperature_c", "double", sql="(temp - 32) * 5 / 9"),
    op.drop("temp"),
    op.rename("wind_dir", to="wind_direction"),
    op.rename("visib", to="visibility"),
]
downgrade = {"temp": "round(temperature_c * 9 / 5 + 32, 2)"}
