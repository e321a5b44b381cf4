"""Alembic environment: ``env.py``, the template of a revision, and the revisions themselves in ``versions``.

Run by `functory.store.migrate`; there is no ``alembic.ini``.
"""
