"""Runs the command `auth-plugins` for `python -m auth_plugins`."""

from .cli import main

if __name__ == "__main__":
    main()
