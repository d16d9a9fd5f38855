"""From the bytes of a published file to rates in our one convention; or a refusal that names line and field.

Readers are pure: bytes in, a `Reading` out, nothing half read. One per published shape; `FORMATS` in `reading.py`.
"""
