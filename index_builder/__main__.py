"""``python -m index_builder``: the same as the command ``dpr-index``."""

from index_builder.cli import main

if __name__ == "__main__":
    main()
