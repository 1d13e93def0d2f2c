# Two commands do everything on a fresh machine: `make demo` and `make test`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# xgboost-cpu and scikit-learn train the demo's models; torch is big and only the images and CI bring it.
EXTRAS := serve,sklearn,xgboost,local

.PHONY: help
help: ## Show what can be made.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# The stamps make later runs fast: pip is asked again only when pyproject.toml has changed.
$(VENV)/demo.stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "mlberth: found Python %d.%d; expected 3.10 or newer. Set PYTHON=..." % sys.version_info[:2])'
	@echo "Making $(VENV) and installing mlberth[$(EXTRAS)] (about a minute the first time) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet -e '.[$(EXTRAS)]'
	@touch $@

$(VENV)/test.stamp: $(VENV)/demo.stamp requirements-dev.txt
	@echo "Installing the test and check tools …"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet -e '.[$(EXTRAS),aws,images,onnx,parquet]' -r requirements-dev.txt
	@touch $@

.PHONY: install
install: $(VENV)/test.stamp ## Make .venv with every extra and tool but torch.

.PHONY: demo
demo: $(VENV)/demo.stamp $(if $(filter docker,$(ENGINE)),wheel) ## Train and serve two real models, then run jobs of the platform (ENGINE=docker: in the images).
	@$(if $(filter docker,$(ENGINE)),scripts/build-images xgboost sklearn)
	@$(BIN)/python examples/demo.py $(ENGINE)

# Most tests wait for processes: three at a time keep two CPUs busy. The folder's name is short: a socket's path, of at most 107 bytes, begins with it.
# A test that hangs ends its process, and fails. One that fails is run once more, and named in the closing lines: it is a defect, too.
# Bytecode of ours is made before, also where PYTHONDONTWRITEBYTECODE is set: the tests start Python thousands of times.
PROCESSES ?= 3
HANGS := $(if $(MLBERTH_LONG),,-o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true)
.PHONY: test
test: $(VENV)/test.stamp ## Run every test, long ones in their short form (MLBERTH_LONG=1 for the long).
	@$(BIN)/python -m compileall -q toolkit train serve local
	@folder=$$(mktemp -d /tmp/pytest.XXX) && \
	  $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --reruns 1 $(HANGS) \
	    --basetemp $$folder && rm -rf $$folder

.PHONY: test-kubernetes
test-kubernetes: $(VENV)/test.stamp ## Apply deploy/kubernetes to the cluster of KUBECONFIG, in a namespace of its own; skipped without one.
	@$(BIN)/python -m pytest tests/kubernetes/test_cluster.py

.PHONY: bench-train
bench-train: $(VENV)/test.stamp ## Measure what `train` costs beside `python train.py`, its peers and the limit.
	@$(BIN)/python -m bench.train_overhead

.PHONY: bench-platform
bench-platform: $(VENV)/test.stamp ## Measure the platform: start, memory, a Describe, large objects beside cp; empty, short and old jobs; batches.
	@$(BIN)/python -m bench.platform
	@$(BIN)/python -m bench.platform_jobs
	@$(BIN)/python -m bench.transform

.PHONY: bench-gateway
bench-gateway: $(VENV)/test.stamp ## Measure InvokeEndpoint through the gateway beside nginx, a Flask front and the container itself.
	@$(BIN)/python -m bench.gateway

.PHONY: bench-endpoints
bench-endpoints: $(VENV)/test.stamp ## Put a load on every feature of endpoints; print failed requests and latencies; takes a quarter of an hour.
	@$(BIN)/python -m bench.endpoints

.PHONY: check
check: $(VENV)/test.stamp ## Lint, format and type check everything.
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/python scripts/write_docs.py --check
	@$(BIN)/shellcheck .ci/run $$(grep -lE -d skip '^#!.*\b(ba)?sh$$' scripts/* examples/*/*.sh deploy/slurm/*)
	@$(BIN)/hadolint Dockerfile.* examples/*/Dockerfile

.PHONY: audit
audit: $(VENV)/test.stamp ## Look for known vulnerabilities in the locked packages (needs PyPI).
	@scripts/audit

.PHONY: format
format: $(VENV)/test.stamp ## Format the code.
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

.PHONY: docs
docs: $(VENV)/test.stamp ## Write the tables in docs/ that are made from the code.
	@$(BIN)/python scripts/write_docs.py

.PHONY: site
site: $(VENV)/test.stamp ## Build the site of docs/ into build/site; a link that leads nowhere fails.
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

.PHONY: wheel
wheel: $(VENV)/test.stamp ## Build the wheel and the source distribution into dist/.
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist .

.PHONY: images
images: wheel ## Build the eight images, and print their sizes and layers (needs a Docker engine).
	@scripts/build-images

.PHONY: bench
bench: $(VENV)/test.stamp ## Measure serving beside its peers and the limit; installs the peers, takes a quarter of an hour.
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.models
	@$(BIN)/python -m bench.streams

.PHONY: bench-quick
bench-quick: $(VENV)/test.stamp ## Measure serving against the limit alone, in under two minutes; fails where a bar is widely missed.
	@$(BIN)/python -m bench --quick

MINUTES ?= 10
.PHONY: faults
faults: $(VENV)/test.stamp ## Kill, hang, overload, stop, reload and starve servers and jobs, then soak; write the page about it.
	@scripts/measure-faults $(MINUTES)

.PHONY: soak
soak: $(VENV)/test.stamp ## Serve for MINUTES under load, kills and reloads; fail where memory grows or anything is left.
	@$(BIN)/python -m tests.faults.soak $(MINUTES)

.PHONY: fuzz
fuzz: $(VENV)/test.stamp ## Send a million requests, and a hundred thousand configurations, archives and bodies, made by chance.
	@MLBERTH_LONG=1 MLBERTH_REQUIRE_NGINX=1 $(BIN)/python -m pytest -q -s tests/security/fuzz
	@MLBERTH_LONG=1 $(BIN)/python -m pytest -q -m differential -n 2 --dist load tests

.PHONY: clean
clean: ## Remove what was built here.
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache
