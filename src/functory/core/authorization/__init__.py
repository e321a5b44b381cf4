"""Who may do what: AWS's evaluation of policy documents, and the guard that asks it for every call."""
