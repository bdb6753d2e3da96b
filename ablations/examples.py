"""A matrix for each design, for the reference."""

DESIGNS = {
    "grid": """
study: two_weights
design: grid
factors:
  loss.encoder_weight: [0.01, 0.05, 0.1]
  loss.contrastive.weight: [0.1, 0.2, 0.5]
exclude: [{loss.encoder_weight: "> 0.05", loss.contrastive.weight: 0.5}]
seeds: 5
""",
    "one_at_a_time": """
study: each_alone
design: one_at_a_time
factors:
  loss.encoder_weight: [0.01, 0.05, 0.1]
  loss.class_weight: [none, inverse_frequency]
  training.schedule: [{kind: constant}, {kind: cosine, warmup: 0.1}]
seeds: 5
""",
    "leave_one_out": """
study: what_is_needed
base: {model: {fusion: {kind: hierarchical}}}
design: leave_one_out
seeds: 5
""",
    "add_one_in": """
study: what_is_enough
design: [leave_one_out, add_one_in]
parts:
  contrast: {loss.contrastive: {kind: none}}
  text: {data.features: [audio, visual]}
seeds: 5
""",
    "path": """
study: way_to_focal
design:
  kind: path
  to:
    loss.classification: {kind: focal, gamma: 2}
    loss.class_weight: inverse_frequency
    loss.encoder_weight: 0.01
seeds: 5
""",
    "fractional": """
study: five_at_once
design: {kind: fractional, resolution: 5}
factors:
  loss.encoder_weight: [0.05, 0.5]
  loss.contrastive.weight: [0.2, 0]
  loss.classification: [{kind: nll}, {kind: focal}]
  loss.label_smoothing: [0, 0.1]
  model.context: [{kind: transformer}, {kind: none}]
seeds: 5
""",
    "cells": """
study: by_name
design: cells
baseline: plain
cells:
  plain: {}
  focal: {loss.classification: {kind: focal}}
  focal and weights: {loss.classification: {kind: focal}, loss.class_weight: inverse_frequency}
seeds: [0, 1, 2, 7, 9]
""",
    "search": """
study: best_weights
design: search
search: {method: bayesian, trials: 20, seeds: [100, 101]}
factors:
  loss.encoder_weight: {low: 0.001, high: 1, log: true}
  loss.contrastive.weight: [0, 0.1, 0.2, 0.5]
seeds: 5
""",
}
