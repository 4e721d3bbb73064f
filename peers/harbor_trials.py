"""What the real Harbor writes, for our reader, and what its validator says of what we write.

`harbor_trials.py write FOLDER` writes a trajectory with the models of Harbor's own package, and a reward beside it;
`harbor_trials.py validate FILE` prints the errors that its validator finds. The tests of researchgym-report call it.
"""

import json
import sys
from pathlib import Path


def write(folder):
    from harbor.models.trajectories import (
        Agent,
        FinalMetrics,
        Metrics,
        Observation,
        ObservationResult,
        Step,
        ToolCall,
        Trajectory,
    )

    call = ToolCall(tool_call_id="a", function_name="bash", arguments={"command": "ls"})
    result = Observation(results=[ObservationResult(source_call_id="a", content="x")])
    metrics = Metrics(prompt_tokens=100, completion_tokens=10, cached_tokens=40, cost_usd=0.5)
    steps = [
        Step(step_id=1, source="user", message="Fix it", timestamp="2026-01-01T00:00:00Z"),
        Step(
            step_id=2, source="agent", message="I look", tool_calls=[call], observation=result, metrics=metrics,
            timestamp="2026-01-01T00:00:10+00:00",
        ),
    ]
    totals = FinalMetrics(total_prompt_tokens=100, total_completion_tokens=10, total_cached_tokens=40, total_cost_usd=0.5)
    agent = Agent(name="terminus-2", version="2", model_name="p/m")
    trajectory = Trajectory(session_id="s", agent=agent, steps=steps, final_metrics=totals)
    (folder / "agent").mkdir()
    (folder / "verifier").mkdir()
    text = json.dumps(trajectory.to_json_dict())
    (folder / "agent" / "trajectory.json").write_text(text)
    (folder / "verifier" / "reward.json").write_text('{"reward": 0.5}')
    return {"schema": trajectory.schema_version}


def validate(file):
    from harbor.utils.trajectory_validator import TrajectoryValidator

    validator = TrajectoryValidator()
    validator.validate(Path(file))
    return validator.errors


def main():
    mode, path = sys.argv[1:]
    print(json.dumps(write(Path(path)) if mode == "write" else validate(path)))


if __name__ == "__main__":
    main()
