"""Counts what MLGym's published runs did and how they ended, from the files alone and after the published rules.

Reads the runs as a tar on standard input, prints one JSON object. It shares no code with this repository, so that both
must be wrong in the same way to agree on a wrong number. Standard library only.
"""
import collections
import json
import sys
import tarfile

EXITS = {
    "submitted": ["Success"],
    "autosubmission (max_steps)": ["Max Steps"],
    "autosubmission (exit_context)": ["Context"],
    "autosubmission (exit_cost)": ["Cost"],
    "autosubmission (exit_format)": ["Format"],
    "submission_not_found (submit)": ["Evaluation"],
    "submission_not_found (max_steps)": ["Evaluation"],
    "submission_not_found (exit_format)": ["Evaluation", "Format"],
    "submission_not_found (exit_context)": ["Evaluation", "Context"],
    "evaluation_format_error (max_steps)": ["Evaluation"],
    "evaluation_format_error (submit)": ["Evaluation", "Submit"],
    "evaluation_format_error (exit_format)": ["Evaluation", "Format"],
    "evaluation_format_error (exit_context)": ["Evaluation", "Context"],
    "evaluation_format_error (exit_cost)": ["Evaluation", "Cost"],
    "unknown_error (validate)": ["Evaluation"],
    'unknown_error (open "data/train.csv" 0)': ["Permission"],
}
ACTIONS = [
    ("edit", ("create", "edit", "insert")),
    ("view", ("open", "goto", "scroll_up", "scroll_down")),
    ("validate", ("validate",)),
    ("submit", ("submit",)),
    ("search", ("search_dir", "search_file", "find_file")),
    ("python", ("torchrun", "python", "accelerate", "deepspeed")),
]


def category(action):
    for name, starts in ACTIONS:
        if action.startswith(starts):
            return name
    return "bash"


def read():
    runs = {}
    for member in (tar := tarfile.open(fileobj=sys.stdin.buffer, mode="r|")):
        if not member.isfile():
            continue
        folder, name = member.name.split("/")[-2:]
        run = runs.setdefault(folder, {})
        if name == "results.json":
            run["scores"] = json.load(tar.extractfile(member))["agent"]
        elif name.endswith(".traj"):
            run["trajectory"] = json.load(tar.extractfile(member))
    return runs


def main():
    every = collections.Counter
    outcomes = collections.defaultdict(every)
    counts = {name: collections.defaultdict(every) for name in ("exits", "actions")}
    statuses, steps = every(), collections.defaultdict(every)
    for folder, run in read().items():
        model, task = folder.split("__")[:2]
        groups = ["all", "model " + model.replace("metagen-", ""), "task " + task]
        told = run.get("trajectory")
        status = None
        if told:
            said = [entry for entry in told["history"] if entry["role"] == "assistant"]
            actions = [entry["action"].strip() for entry in said]
            status = told["info"]["exit_status"] or "unknown_error (%s)" % actions[-1]
            statuses[status] += 1
            for number, action in enumerate(actions, 1):
                steps[number][category(action)] += 1
        for group in groups:
            row = outcomes[group]
            row["runs"] += 1
            row["failed"] += not run["scores"]
            row["unknown"] += status is None
            if status is None:
                continue
            ends = EXITS[status]
            row["incomplete"] += bool(run["scores"]) and not {"Success", "Max Steps"} & set(ends)
            row["incomplete_or_failed"] += status not in ("submitted", "autosubmission (max_steps)")
            counts["exits"][group].update(ends)
            counts["actions"][group].update(category(action) for action in actions)
    print(json.dumps({
        "outcomes": outcomes, "statuses": statuses, "steps": [steps[n] for n in sorted(steps)], **counts,
    }))


main()
