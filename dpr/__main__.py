"""``python -m dpr``: the same as the command ``dpr``, for torchrun."""

from dpr.cli import main

if __name__ == "__main__":
    main()
