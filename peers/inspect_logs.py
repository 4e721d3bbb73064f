"""What the real Inspect AI and OpenEvolve write, for our readers, and what Inspect reads of what we write.

`inspect_logs.py write FOLDER` writes logs of both forms and a checkpoint, and prints what they hold, by the programs' own reading;
`inspect_logs.py read FILE` prints what Inspect reads of a log. The tests of researchgym-report call it. No model is asked: one that
answers from a list stands in.
"""

import json
import math
import sys
from pathlib import Path


def out(text="", call=None):
    from inspect_ai.model import ModelOutput, ModelUsage

    if call:
        output = ModelOutput.for_tool_call("mockllm/model", call[0], call[1], content=text)
    else:
        output = ModelOutput.from_content("mockllm/model", text)
    output.usage = ModelUsage(
        input_tokens=10, output_tokens=5, total_tokens=18, input_tokens_cache_read=3, total_cost=0.001
    )
    return output


def demo():
    from inspect_ai import Task
    from inspect_ai.agent import react
    from inspect_ai.dataset import Sample
    from inspect_ai.scorer import Score, match, mean, scorer
    from inspect_ai.tool import ToolError, tool

    @tool
    def bash():
        async def execute(cmd: str):
            """Runs a command.

            Args:
                cmd: the command
            """
            if cmd == "fail":
                raise ToolError("it failed")
            return f"ran {cmd}: " + "x" * 300

        return execute

    @scorer(metrics={"loss": [mean()], "acc": [mean()]})
    def both():
        async def score(state, target):
            return Score(value={"loss": 0.25, "acc": 0.5}, answer="a", explanation="why")

        return score

    samples = [Sample(id="one", input="Say C", target="C"), Sample(id="two", input="Say D", target="D")]
    return Task(name="demo", dataset=samples, solver=react(tools=[bash()]), scorer=[match(), both()], epochs=2)


def write_logs(folder):
    from inspect_ai import eval as evaluate
    from inspect_ai.model import get_model

    answers = []
    for _ in range(4):
        answers += [out("I train", ("bash", {"cmd": "python3 train.py"})), out("", ("bash", {"cmd": "fail"}))]
        answers += [out("Done", ("submit", {"answer": "C"}))]
    facts = {}
    for name, form, limits in [
        ("whole", "json", {}),
        ("zip", "eval", {}),
        ("limited", "eval", {"message_limit": 4}),
        ("failed", "json", {"fail_on_error": False}),
    ]:
        model = get_model("mockllm/model", custom_outputs=list(answers if name != "failed" else answers[:4]))
        log = evaluate(
            demo(), model=model, log_dir=str(folder / name), log_format=form, display="none", max_samples=1, **limits
        )[0]
        facts[name] = {"file": str(Path(log.location.removeprefix("file://"))), "runs": runs(log.location)}
    return facts


def plain(value):
    """A score with words for what is no number."""
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def runs(location):
    from inspect_ai.log import read_eval_log

    log = read_eval_log(location, resolve_attachments=True)
    return [
        {
            "id": str(sample.id),
            "epoch": sample.epoch,
            "scores": {name: plain(score.value) for name, score in (sample.scores or {}).items()},
            "messages": [
                {
                    "role": message.role,
                    "text": message.text,
                    "calls": [[call.function, call.arguments] for call in getattr(message, "tool_calls", None) or []],
                }
                for message in sample.messages
            ],
            "events": [event.event for event in sample.events if event.event in ("model", "tool", "score", "error")],
            "tools": [[e.function, e.arguments, e.error is not None] for e in sample.events if e.event == "tool"],
            "intermediate": [plain(e.score.value) for e in sample.events if e.event == "score" and e.intermediate],
            "inputs": [len(e.input) for e in sample.events if e.event == "model"],
            "usage": {name: used.model_dump(exclude_none=True) for name, used in sample.model_usage.items()},
            "limit": sample.limit.type if sample.limit else None,
            "error": sample.error.message if sample.error else None,
            "seconds": sample.working_time,
        }
        for sample in log.samples or []
    ]


def read_log(location):
    from inspect_ai.log import list_eval_logs, read_eval_log, read_eval_log_sample_summaries

    header = read_eval_log(location, header_only=True)
    summaries = read_eval_log_sample_summaries(location)
    listed = list_eval_logs(str(Path(location).parent))
    return {
        "status": header.status,
        "task": header.eval.task,
        "model": header.eval.model,
        "means": {s.name: s.metrics["mean"].value for s in header.results.scores},
        "listed": len(listed),
        "summaries": [[str(s.id), s.epoch, s.completed, s.error, s.limit] for s in summaries],
        "reductions": [[r.scorer, [plain(s.value) for s in r.samples]] for r in header.reductions or []],
        "runs": runs(location),
    }


def write_checkpoint(folder):
    from openevolve.config import DatabaseConfig
    from openevolve.database import Program, ProgramDatabase

    database = ProgramDatabase(DatabaseConfig(in_memory=True, num_islands=2, random_seed=1))
    for number, score in enumerate([0.25, 0.75, 0.5]):
        metrics = {"combined_score": score, "speed": float(number)}
        parent = f"p{number - 1}" if number else None
        program = Program(
            id=f"p{number}", code=f"x = {number}\n", parent_id=parent, metrics=metrics, timestamp=1.7e9 + number
        )
        database.add(program, iteration=number)
    database.save(str(folder / "checkpoint_2"), iteration=2)
    return {"folder": str(folder / "checkpoint_2"), "best": database.get_best_program().metrics}


def main():
    mode, path = sys.argv[1:]
    if mode == "write":
        folder = Path(path)
        facts = {"logs": write_logs(folder), "checkpoint": write_checkpoint(folder)}
    else:
        facts = read_log(path)
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
