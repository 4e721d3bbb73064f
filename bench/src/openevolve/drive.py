"""Runs OpenEvolve once: drive.py PROGRAM ITERATIONS WORKERS FOLDER. Says how many programs it has at its end."""

import asyncio
import json
import logging
import os
import sys

import canned
from openevolve.config import Config, LLMModelConfig
from openevolve.controller import OpenEvolve


def main():
    program, iterations, workers, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    model = LLMModelConfig(name="canned", api_key="none", api_base="http://127.0.0.1:9/v1", weight=1.0)
    model.init_client = canned.client
    config = Config()
    config.max_iterations = iterations
    config.checkpoint_interval = 10**9
    config.log_level = "ERROR"
    config.diff_based_evolution = True
    config.max_code_length = 10**6
    config.llm.models = [model]
    config.llm.evaluator_models = [model]
    config.evaluator.parallel_evaluations = workers
    config.evaluator.cascade_evaluation = False
    logging.disable(logging.CRITICAL)
    evolve = OpenEvolve(
        initial_program_path=program,
        evaluation_file=os.path.join(os.path.dirname(os.path.abspath(__file__)), "canned.py"),
        config=config,
        output_dir=folder,
    )
    asyncio.run(evolve.run(iterations=iterations))
    print(json.dumps({"last": evolve.database.last_iteration, "programs": len(evolve.database.programs)}))


if __name__ == "__main__":
    main()
