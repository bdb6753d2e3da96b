# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3.11
BIN := .venv/bin
STUDY ?= loss
STUDIES := presets weighting normalisation reconstruction gate modality architecture multilabel search parts path
STUDIES_URI := sqlite:///mlruns/studies/mlflow.db
PORT ?= 5000
export MLFLOW_DISABLE_TELEMETRY := true
export RAY_USAGE_STATS_ENABLED := 0

.PHONY: ablate studies report ui docs test test-slow torture benchmark gpu-check clean

ablate: .venv/installed        ## run the loss ablation on the embedded data and write its tables
	$(BIN)/python -m runners.ablate --matrix ablations/loss.yaml
	$(BIN)/python -m analysis.report --study loss
	$(BIN)/python -m runners.store publish --study loss paper/loss
	@echo "Open paper/loss/report.html; the tables and figures are beside it. Browse the runs: make ui"

studies: .venv/installed       ## every matrix on the embedded data but `loss`, with 2 seeds, in a store of its own
	@set -e; for study in $(STUDIES); do echo "== $$study"; \
		$(BIN)/python -m runners.ablate --matrix ablations/$$study.yaml --seeds 2 --tracking-uri $(STUDIES_URI); \
		$(BIN)/python -m analysis.report --study $$study --out paper/studies/$$study --tracking-uri $(STUDIES_URI) >/dev/null; \
		echo "report: paper/studies/$$study/report.html"; \
	done

report: .venv/installed        ## tables, figures and page of a study: make report STUDY=loss
	$(BIN)/python -m analysis.report --study $(STUDY)
	$(BIN)/python -m runners.store publish --study $(STUDY) paper/$(STUDY)
	@echo "Open paper/$(STUDY)/report.html"

ui: .venv/installed            ## MLflow UI on the results database
	@$(BIN)/python -m runners.ui --port $(PORT)

docs: .venv/installed          ## the documentation as a site that works from files
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open site/index.html"

test: .venv/installed          ## lint, types, import contracts, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2

test-slow: .venv/installed     ## what takes minutes or needs a LaTeX
	$(BIN)/pytest -m slow -n 2

torture: .venv/installed       ## kill a study 30 times at random moments: nothing is lost, nothing done twice (half an hour)
	$(BIN)/python -m benchmarks.torture 30

benchmark: .venv/installed     ## the figures of the README
	$(BIN)/python -m benchmarks.step
	$(BIN)/python -m benchmarks.fusion
	$(BIN)/python -m benchmarks.weighting
	$(BIN)/python -m benchmarks.packs
	$(BIN)/python -m benchmarks.checkpoint
	$(BIN)/python -m benchmarks.sequential
	$(BIN)/python -m benchmarks.study
	$(BIN)/python -m benchmarks.calibration
	$(BIN)/python -m benchmarks.report
	$(BIN)/python -m benchmarks.many_runs

# Needs torch (2.11 or later), torch-geometric, numpy, scikit-learn and pydantic, no more: PYTHON=python3 make gpu-check
gpu-check:                     ## packs against single runs on this machine's GPU: the same results, and how much faster
	$(PYTHON) -m benchmarks.parity
	$(PYTHON) -m benchmarks.packs

clean:                         ## all that can be made again, except the results
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

.venv/installed: pyproject.toml constraints.txt
	@echo "Installing torch, Ray, MLflow and what they need into .venv, about two minutes the first time:"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
