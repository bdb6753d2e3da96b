"""Names of the columns of tables, which nothing of a user's may hide."""

# Columns of the tables and of the frames that they are made of; no factor may have one of these as its short name.
_COLUMNS = (
    "best better better_high better_low both cell chosen class collapsed collapsed_mean contrasts dataset decision "
    "dev df dialogues difference difference_floor difference_high difference_low diverged dz dz_high dz_low effect "
    "epoch estimate evidence factor gradient high high_both high_floor high_seeds interaction kind level low low_both "
    "low_floor low_seeds lower mean meaningful method n name note orders_high orders_low orders_mean orders_p outcome "
    "p p_floor p_raw pairs quantity range range_high range_low rate rate_high rate_low raw reason rest rest_high "
    "rest_low run_id run_key runs score sd seconds seed seeds setting share step step_high step_low step_mean step_p "
    "t term test test_dialogues total training value verdict verdict_floor weight weighted winner"
)
RESERVED = frozenset(_COLUMNS.split())
