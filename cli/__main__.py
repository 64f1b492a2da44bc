"""`python -m edgediff_cli`, for launchers of several processes."""

from edgediff_cli.main import app

if __name__ == "__main__":
    app()
