"""Make tables, figures and the report from what the runs wrote."""
