# Everything runs in an environment that the first target that needs it makes; another Python gets one of its own:
# make test-quick PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
# What a Python or a library can break, without the tests that take minutes.
QUICK := tests/test_project.py tests/ablations tests/model/test_losses.py tests/model/test_packs.py \
	tests/runners/test_planner.py tests/runners/test_store.py tests/analysis/test_statistics.py \
	tests/analysis/test_tables.py tests/analysis/test_page.py
SMOKE = $(VENV)/smoke
STUDY ?= loss
STUDIES := presets weighting normalisation reconstruction gate modality architecture multilabel search parts path
STUDIES_URI := sqlite:///mlruns/studies/mlflow.db
PORT ?= 5000
export MLFLOW_DISABLE_TELEMETRY := true
export RAY_USAGE_STATS_ENABLED := 0

.PHONY: ablate studies report ui docs test test-quick test-slow torture benchmark gpu-check clean

ablate: $(VENV)/installed        ## run the loss ablation on the embedded data and write its tables
	$(BIN)/python -m runners.ablate --matrix ablations/loss.yaml
	$(BIN)/python -m analysis.report --study loss
	$(BIN)/python -m runners.store publish --study loss paper/loss
	@echo "Open paper/loss/report.html; the tables and figures are beside it. Browse the runs: make ui"

studies: $(VENV)/installed       ## every matrix on the embedded data but `loss`, with 2 seeds, in a store of its own
	@set -e; for study in $(STUDIES); do echo "== $$study"; \
		$(BIN)/python -m runners.ablate --matrix ablations/$$study.yaml --seeds 2 --tracking-uri $(STUDIES_URI); \
		$(BIN)/python -m analysis.report --study $$study --out paper/studies/$$study --tracking-uri $(STUDIES_URI) >/dev/null; \
		echo "report: paper/studies/$$study/report.html"; \
	done

report: $(VENV)/installed        ## tables, figures and page of a study: make report STUDY=loss
	$(BIN)/python -m analysis.report --study $(STUDY)
	$(BIN)/python -m runners.store publish --study $(STUDY) paper/$(STUDY)
	@echo "Open paper/$(STUDY)/report.html"

ui: $(VENV)/installed            ## MLflow UI on the results database
	@$(BIN)/python -m runners.ui --port $(PORT)

docs: $(VENV)/installed          ## the documentation as a site that works from files
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open site/index.html"

test: $(VENV)/installed          ## lint, types, import contracts, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2

test-quick: $(VENV)/installed  ## a part of the tests, and a small study with its report, in under five minutes
	rm -rf $(SMOKE)
	$(BIN)/pytest $(QUICK)
	$(BIN)/python -m runners.ablate --matrix ablations/smoke.yaml --executor inprocess --tracking-uri sqlite:///$(SMOKE)/mlflow.db
	$(BIN)/python -m analysis.report --study smoke --tracking-uri sqlite:///$(SMOKE)/mlflow.db --out $(SMOKE)/report >/dev/null
	@test -s $(SMOKE)/report/report.html && echo "$$($(BIN)/python --version): the study ran, and its report is written"

test-slow: $(VENV)/installed     ## what takes minutes or needs a LaTeX
	$(BIN)/pytest -m slow -n 2

torture: $(VENV)/installed       ## kill a study 30 times at random moments: nothing is lost, nothing done twice (half an hour)
	$(BIN)/python -m benchmarks.torture 30

benchmark: $(VENV)/installed     ## the figures of the README
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
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

$(VENV)/installed: pyproject.toml constraints.txt
	@echo "Installing torch, Ray, MLflow and what they need into $(VENV), about two minutes the first time:"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
