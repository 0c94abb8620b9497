"""`python -m auth_plugins` is the command `auth-plugins`."""

from .cli import main

if __name__ == "__main__":
    main()
