"""A state machine's ASL file as it is, interpreted: QueryLanguage JSONata, the states and fields that the files use.

    expressions.py  `{% ... %}`: JSONata as Step Functions evaluates it
    definition.py   the file, its substitutions, and a refusal of every field that is not interpreted
    interpreter.py  states, retries, catches, maps and branches, as generators that ask for what takes time

Documents: Amazon States Language (states-language.net), Step Functions Developer Guide.
"""
