"""How people ask: one file per command, and the rendering of reports."""
