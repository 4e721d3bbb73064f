"""The floor of house-price's grading: reading two files and computing two numbers.

    PYTHONPATH=SUPPORT_LIBRARY python3 house_price.py TASK_FOLDER ANSWER_CSV SUBMISSION_CSV
"""

import sys


def main(folder, answer, submission):
    sys.path.insert(0, folder + "/grader")
    import grader

    print(grader.grade(None, submission=submission, answer=answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
