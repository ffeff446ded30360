#!/usr/bin/env python3
"""Divides digits.csv for fine_tune.dsl: ninety pictures of each digit for a first training, three others of each for
the question whether a digit is odd, and thirty others of each for its test.
"""

import csv
from pathlib import Path

FOLDER = Path(__file__).parent
FIRST, FEW, TESTED = 90, 3, 30


def main():
    header, *rows = csv.reader((FOLDER / "digits.csv").open())
    place = header.index("digit")
    parts = {"digits_first": [], "digits_odd": [], "digits_odd_test": []}
    seen = [0] * 10
    for row in rows:
        digit = int(float(row[place]))
        seen[digit] += 1
        if seen[digit] <= FIRST:
            parts["digits_first"].append(row)
            continue
        row = [*row[:place], "odd" if digit % 2 else "even", *row[place + 1:]]
        if seen[digit] <= FIRST + FEW:
            parts["digits_odd"].append(row)
        elif seen[digit] <= FIRST + FEW + TESTED:
            parts["digits_odd_test"].append(row)
    for name, part in parts.items():
        with (FOLDER / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *part])


if __name__ == "__main__":
    main()
