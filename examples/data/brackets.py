#!/usr/bin/env python3
"""Writes brackets.csv: rows of brackets that close each other in order, and rows with one bracket that does not."""

import random

PAIRS = ["()", "[]", "{}"]


def balanced(pairs):
    """A random row of so many pairs."""
    if pairs == 0:
        return ""
    inside = random.randrange(pairs)
    opening, closing = random.choice(PAIRS)
    return opening + balanced(inside) + closing + balanced(pairs - 1 - inside)


def broken(text):
    """The same with one bracket replaced, so that it is not balanced."""
    place = random.randrange(len(text))
    others = [bracket for pair in PAIRS for bracket in pair if bracket != text[place]]
    return text[:place] + random.choice(others) + text[place + 1 :]


def main():
    random.seed(1)
    with open("brackets.csv", "w", newline="\n") as file:
        file.write("text,balanced\n")
        for number in range(3000):
            text = balanced(random.randrange(2, 9))
            file.write(f"{text},yes\n" if number % 2 else f"{broken(text)},no\n")


if __name__ == "__main__":
    main()
