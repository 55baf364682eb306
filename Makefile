# `make` alone prints help. Set-up happens by itself in .venv from the hashed lock files.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

AREA ?= pekalongan
BOUNDARIES ?=
REGISTER ?=
ONLINE ?=
PYTHON ?= python3

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps --no-compile --require-hashes
OUT := outputs/$(AREA)
STAGES := $(OUT)/stages
RUN := $(PY) -m pipeline

# What a target reads. Stages and products check content as well, so a touched file costs little.
code = $(shell find pipeline/contracts pipeline/stats pipeline/$(1) -type f -not -path '*/__pycache__/*')
AREAS := $(patsubst areas/%/area.yaml,%,$(wildcard areas/*/area.yaml))
AREA_FILES := $(wildcard areas/$(AREA)/*.* areas/$(AREA)/tables/*.csv)
LAYER_FILES := $(wildcard layers/*.yaml layers/charts/*.yaml)
comma := ,
BOUNDARY_FILES := $(foreach file,$(subst $(comma), ,$(BOUNDARIES)),$(wildcard $(firstword $(subst \#, ,$(file)))))
OPTIONS := --area $(AREA) $(if $(BOUNDARIES),--boundaries '$(BOUNDARIES)') $(if $(REGISTER),--register '$(REGISTER)')
ASK := $(if $(ONLINE),--online)

##@ Analyst: from data to maps
.PHONY: maps
maps: $(OUT)/manifest.json ## everything for one AREA (default pekalongan); BOUNDARIES=file, REGISTER=file for your own

.PHONY: all-areas
all-areas: ## maps of every study area, and outputs/index.html that links them
	@for area in $(AREAS); do $(MAKE) --no-print-directory maps AREA=$$area || exit $$?; done
	$(RUN) index

.PHONY: check template
check: $(VENV)/.ready-run | known-area ## read REGISTER=file and list every fault in it, nothing else
	$(RUN) check $(OPTIONS)

.PHONY: demonstration
demonstration: $(VENV)/.ready-run $(OUT)/.boundaries-tried | known-area ## everything on an invented register, in outputs/AREA/demonstration
	$(RUN) demonstration --area $(AREA) $(if $(BOUNDARIES),--boundaries '$(BOUNDARIES)')

template: $(VENV)/.ready-run ## an empty, documented register: register_template.xlsx
	$(RUN) template register_template.xlsx

.PHONY: sources geocode analyse release render
sources: $(STAGES)/sources/manifest.json ## stage 1: read and check published tables and boundaries
geocode: $(STAGES)/geocode/manifest.json ## stage 2: place clusters and places in villages
analyse: $(STAGES)/analyse/manifest.json ## stage 3: sums and measures
release: $(STAGES)/release/internal/manifest.json ## stage 4: the gate; what leaves the house
render: $(OUT)/manifest.json ## stage 5: every product from the release

.PHONY: boundaries
boundaries: $(VENV)/.ready-run | known-area ## fetch the pinned village boundaries (needs a network)
	$(RUN) boundaries --area $(AREA)

.PHONY: areas
areas: ## list the study areas
	@printf '%s\n' $(AREAS)

##@ New study area
.PHONY: new-area
new-area: $(VENV)/.ready-run ## areas/NAME from CODES=33.27 (several: commas) and BOUNDARIES=file, else fetched
	$(RUN) new-area --name='$(NAME)' --codes='$(CODES)' $(if $(BOUNDARIES),--boundaries='$(BOUNDARIES)')

##@ Author: one product
.PHONY: web qgis figures tables report
web qgis figures tables report: $(STAGES)/release/internal/manifest.json ## only this product
	$(RUN) $@ --area $(AREA)

##@ Developer
.PHONY: test test-e2e test-slow lint bench seal lock clean
test: $(VENV)/.ready-dev ## unit and integration tests, offline
	$(PY) -m pytest -n 2 -m 'not e2e and not slow'

test-e2e: $(VENV)/.ready-dev ## real Chromium and real QGIS (names the Debian packages they need)
	$(PY) -m pytest -m e2e

test-slow: $(VENV)/.ready-dev ## size and power of the statistics by simulation
	$(PY) -m pytest -m slow

lint: $(VENV)/.ready-dev ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

bench: $(VENV)/.ready-dev ## timings, and ratios against peers on the same data
	for script in bench/[a-z]*.py; do case "$$script" in bench/record.py) ;; *) PYTHONPATH=. $(PY) "$$script" || exit 1 ;; esac; done

seal: $(VENV)/.ready-run | known-area ## write the hashes of AREA's tables into its sources.csv
	$(RUN) seal --area $(AREA)

lock: ## resolve the dependencies anew (needs uv)
	uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 --extra dev --extra bench -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## delete everything that was made for AREA
	rm -rf '$(OUT)'

.PHONY: help
help: ## this page
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5); next } \
	  /^[a-z][a-z0-9 -]*:.*## / { printf "  %-30s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nAREA is one of: %s\n' '$(AREAS)'

# ---- set-up ----------------------------------------------------------------------------------
$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "expected Python 3.11 or newer, found $$($(PYTHON) --version); name another: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# Byte code is made here, on all cores: every later start is quick, also where Python may not write.
COMPILE := $(PY) -m compileall -q -j 0 -x '/tests?/' $(VENV)/lib

$(VENV)/.ready-run: requirements.lock | $(PY)
	$(PIP) -r requirements.lock
	$(COMPILE)
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock requirements.lock | $(PY)
	$(PIP) -r requirements-dev.lock
	$(COMPILE)
	@touch $(VENV)/.ready-run $@

# ---- products --------------------------------------------------------------------------------
.PHONY: known-area
known-area:
	@test -f 'areas/$(AREA)/area.yaml' || { echo "error: AREA=$(AREA): expected one of: $(AREAS); found no such folder in areas/" >&2; exit 2; }

# Its content changes only when an option does, so another file means another run.
named = printf '%s\n' '$(BOUNDARIES)' '$(REGISTER)' '$(ONLINE)'
$(OUT)/.options: FORCE | known-area
	@mkdir -p $(@D)
	@$(named) | cmp -s - $@ || $(named) > $@
.PHONY: FORCE
FORCE:

# Tried once, as a part of set-up; without a network the maps show approximate boundaries.
$(OUT)/.boundaries-tried: | $(VENV)/.ready-run known-area
	$(if $(BOUNDARIES),@mkdir -p $(@D) && touch $@,$(RUN) boundaries --area $(AREA) --try --timeout 5)

# Beside a register lie its settings and decisions, in outputs/ a review somebody may have filled in:
# the pipeline knows what is stale, so with a register it is always asked.
INPUTS := $(if $(REGISTER),FORCE) $(AREA_FILES) $(BOUNDARY_FILES) $(OUT)/.options $(OUT)/.boundaries-tried

$(OUT)/manifest.json: $(INPUTS) $(LAYER_FILES) $(call code,) | $(VENV)/.ready-run known-area
	$(RUN) maps $(OPTIONS) $(ASK)

$(STAGES)/sources/manifest.json: $(INPUTS) $(call code,s1_sources) | $(VENV)/.ready-run known-area
	$(RUN) sources $(OPTIONS)
$(STAGES)/geocode/manifest.json: $(STAGES)/sources/manifest.json $(call code,s2_geocode)
	$(RUN) geocode $(OPTIONS) $(ASK)
$(STAGES)/analyse/manifest.json: $(STAGES)/geocode/manifest.json $(call code,s3_analyse)
	$(RUN) analyse --area $(AREA)
$(STAGES)/release/internal/manifest.json: $(STAGES)/analyse/manifest.json $(call code,s4_release)
	$(RUN) release --area $(AREA)
