"""The service. Start it with `python -m app.main`."""
