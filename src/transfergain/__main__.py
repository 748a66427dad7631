"""`python -m transfergain`: the command line where its script is not on the PATH."""

from transfergain.cli import main

if __name__ == "__main__":
    main()
