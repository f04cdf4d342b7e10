"""What a statement may be made of. Everything that is not listed here is refused.

Functions: none of them writes, waits, locks, reads a file, runs text as SQL, tells of the server or its
users, or makes text of any length from nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from ragctl.sql.dialects import exp
from ragctl.sql.types import Dialect

_QUERIES = {
    *(exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered),
    *(exp.Limit, exp.Offset, exp.Fetch, exp.Distinct, exp.With, exp.CTE, exp.Subquery, exp.Paren),
    *(exp.Table, exp.TableAlias, exp.Alias, exp.Column, exp.Identifier, exp.Star),
    *(exp.Union, exp.Except, exp.Intersect, exp.Values, exp.Tuple, exp.Lateral, exp.Unnest),
    *(exp.GroupingSets, exp.Rollup, exp.Cube),
}
_OPERATORS = {
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Pow, exp.Sqrt, exp.Cbrt, exp.Neg),
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ),
    *(exp.And, exp.Or, exp.Not, exp.Is, exp.Between, exp.In, exp.Exists, exp.Any, exp.All),
    *(exp.Like, exp.ILike, exp.SimilarTo, exp.RegexpLike, exp.RegexpILike, exp.Glob, exp.Escape),
    *(exp.StartsWith, exp.DPipe, exp.Collate, exp.AtTimeZone, exp.Overlaps, exp.MatchAgainst),
    *(exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot),
    *(exp.BitwiseLeftShift, exp.BitwiseRightShift),
    *(exp.Array, exp.Bracket, exp.Slice, exp.ArrayContainsAll, exp.ArrayContainedBy, exp.ArrayOverlaps),
    *(exp.JSONExtract, exp.JSONExtractScalar, exp.JSONBExtract, exp.JSONBExtractScalar),
    *(exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey, exp.JSONPathSubscript),
    *(exp.JSONBContainsTopKey, exp.JSONBContainsAnyTopKeys, exp.JSONBContainsAllTopKeys),
}
_VALUES = {
    *(exp.Literal, exp.Null, exp.Boolean, exp.Interval, exp.Var, exp.Cast, exp.DataType, exp.DataTypeParam),
    *(exp.Case, exp.If, exp.Extract, exp.Overlay, exp.StrPosition, exp.Substring, exp.Trim),
    *(exp.CurrentDate, exp.CurrentTimestamp, exp.Localtimestamp),
    *(exp.Anonymous, exp.Window, exp.WindowSpec, exp.Filter, exp.WithinGroup),
}
NODES = frozenset(_QUERIES | _OPERATORS | _VALUES)

_T = exp.DataType.Type
TYPES = frozenset(
    {
        *(_T.BOOLEAN, _T.TINYINT, _T.SMALLINT, _T.INT, _T.BIGINT, _T.DECIMAL, _T.FLOAT, _T.DOUBLE),
        *(_T.CHAR, _T.VARCHAR, _T.TEXT, _T.BPCHAR, _T.DATE, _T.TIME, _T.TIMETZ, _T.TIMESTAMP),
        *(_T.TIMESTAMPTZ, _T.DATETIME, _T.INTERVAL, _T.UUID, _T.JSON, _T.JSONB, _T.ARRAY),
    }
)
"""What a value may be cast to. A type's input function is a call as well: regclass looks tables up."""

_EVERYWHERE = """
count sum avg min max coalesce nullif
abs round ceil ceiling floor sign sqrt exp ln log log10 power mod pi degrees radians trunc
sin cos tan asin acos atan atan2
lower upper length trim ltrim rtrim replace substr substring concat concat_ws
row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
json_array_length
"""
_POSTGRES = """
array_agg string_agg bool_and bool_or every bit_and bit_or json_agg jsonb_agg json_object_agg jsonb_object_agg
stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp
regr_slope regr_intercept regr_r2 regr_count regr_avgx regr_avgy
percentile_cont percentile_disc mode grouping any_value
greatest least div gcd lcm cbrt width_bucket scale factorial
char_length character_length octet_length initcap btrim left right reverse split_part strpos
starts_with translate ascii chr md5 quote_literal to_hex
regexp_match regexp_replace regexp_substr regexp_count regexp_like regexp_split_to_array
to_char to_date to_timestamp to_number date_part date_trunc date_bin age now make_date make_time
make_timestamp make_timestamptz make_interval justify_days justify_hours justify_interval isfinite
transaction_timestamp statement_timestamp timezone
date time timestamp timestamptz int4 int8 float8 numeric text interval
array_length array_position array_to_string array_append array_cat array_remove cardinality string_to_array
array row unnest generate_series generate_subscripts
json_build_object jsonb_build_object json_build_array jsonb_build_array to_json to_jsonb row_to_json
json_extract_path json_extract_path_text jsonb_extract_path jsonb_extract_path_text json_typeof jsonb_typeof
jsonb_array_length json_array_elements jsonb_array_elements json_array_elements_text
jsonb_array_elements_text json_each jsonb_each json_each_text jsonb_each_text json_object_keys
jsonb_object_keys jsonb_path_query jsonb_path_exists jsonb_path_query_first
lower_inc upper_inc isempty
to_tsvector to_tsquery plainto_tsquery websearch_to_tsquery ts_rank
"""
_SQLITE = """
total group_concat string_agg ifnull iif instr date time datetime julianday strftime unixepoch timediff
char unicode hex quote typeof printf format
json json_extract json_array json_object json_type json_valid json_group_array json_group_object
json_each json_tree like glob current_date current_timestamp -> ->>
"""
_TABLE_FUNCTIONS: Mapping[Dialect, frozenset[str]] = {
    "postgres": frozenset(
        """unnest generate_series generate_subscripts json_array_elements jsonb_array_elements
        json_array_elements_text jsonb_array_elements_text json_each jsonb_each json_each_text jsonb_each_text
        json_object_keys jsonb_object_keys jsonb_path_query""".split()
    ),
    "sqlite": frozenset({"json_each", "json_tree"}),
}
FUNCTIONS: Mapping[Dialect, frozenset[str]] = {
    "postgres": frozenset((_EVERYWHERE + _POSTGRES).split()),
    "sqlite": frozenset((_EVERYWHERE + _SQLITE).split()),
}
TABLE_FUNCTIONS = _TABLE_FUNCTIONS
"""Those that may stand where a table stands."""

RESERVED = ("pg_", "sqlite_", "pragma_", "information_schema")
"""What no name that a statement gives may begin with: it could stand for one of the database's own."""
