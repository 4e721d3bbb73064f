"""Runs your heuristic for the grader, which packs. Cannot be changed."""

import sys

sys.path.append("/researchgym/lib")

import researchgym_player as player  # noqa: E402


def main():
    connection = player.connect()
    priority = None

    def answer(message):
        nonlocal priority
        if priority is None:
            from heuristic import priority
        return [priority(item, bins) for item, bins in message]

    player.serve(connection, answer)


if __name__ == "__main__":
    main()
