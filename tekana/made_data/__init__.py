"""A data set of any size for measurements and trials: `manage.py make_data`.

`people.py` is who there is, `activity.py` what one country's customers do and how the books follow, `rows.py` the bytes
of a row, `loading.py` and `process.py` how they get into PostgreSQL. What is made depends on nothing but the sizes, the
seed, the period, and the rules in force.
"""
