"""A data set of any size for measurements and trials: `manage.py make_data`.

`people.py` is who there is, `plan.py` one country's share, `activity.py` what its customers do, `through_rail.py` what
becomes of what goes through a bank, `books.py` how accounts and rows follow, `ending.py` how all stands in the end,
`rows.py` the bytes of a row, `loading.py` and `process.py` how they get into PostgreSQL. What is made depends on
nothing but the sizes, the seed, the period, and the rules in force.
"""
