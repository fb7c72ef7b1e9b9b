"""`python -m crossbit`: the program, where its script is not on the path."""

from crossbit.cli import main

if __name__ == "__main__":
    main()
