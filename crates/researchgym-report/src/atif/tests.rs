//! Trajectories that are written and read again by our own reader. Harbor's own validator is asked in `tests/foreign.rs`.

use researchgym_core::import::atif::{Trial, read};
use researchgym_core::record::{RunRecord, StepRecord};

use super::*;
use crate::story::samples::{foreign, invalid, rich};

#[test]
fn what_is_written_is_read_again() {
    for (number, story) in [rich(), invalid(), foreign()].into_iter().enumerate() {
        let trajectory = trajectory(&story);
        let run = read(Trial { trajectory: &trajectory, ..Trial::default() }, "elsewhere").unwrap();
        let known = |record: &RunRecord| {
            let record = record.clone();
            (
                record.task,
                record.agent,
                record.model,
                record.ending,
                record.attempts,
                record.submission,
                record.usage.cost,
            )
        };
        assert_eq!(known(&run.record), known(&story.record), "{number}");
        assert_eq!(run.record.actions.steps, story.record.actions.steps, "{number}");
        if story.messages.is_none() {
            let told = |steps: &[StepRecord]| {
                steps
                    .iter()
                    .map(|step| {
                        (step.tool.clone(), step.thought.clone(), step.observation.clone(), step.is_refused)
                    })
                    .collect::<Vec<_>>()
            };
            assert_eq!(told(&run.steps), told(&story.steps), "{number}");
        }
    }
}

#[test]
fn a_turn_has_its_calls_results_and_tokens() {
    let trajectory: Value = serde_json::from_slice(&trajectory(&rich())).unwrap();
    let expected = json!({
        "step_id": 3, "source": "agent", "timestamp": "2026-11-25T16:00:01.000Z", "model_name": "p/m",
        "message": "I look", "reasoning_content": "hm",
        "tool_calls": [{
            "tool_call_id": "c1", "function_name": "bash", "arguments": { "command": "ls" },
            "extra": { "took_ms": 250, "exit_code": 0 },
        }],
        "observation": { "results": [{ "source_call_id": "c1", "content": "strategy.py" }] },
        "metrics": { "prompt_tokens": 100, "completion_tokens": 20, "cached_tokens": 40, "cost_usd": 0.01 },
        "llm_call_count": 1,
    });
    assert_eq!(trajectory["steps"][2], expected);
    assert_eq!(trajectory["final_metrics"]["total_prompt_tokens"], 300);
}
