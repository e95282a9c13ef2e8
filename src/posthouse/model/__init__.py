"""The words Posthouse is written in: frozen values, enums, ids, errors and limits. Standard library only.

Every other room imports from here and this room imports nothing of ours, so a word means one thing in SQL, Python, URL and
page. `words` holds the enums whose values are stored in the database (their spelling is part of the schema), `mail` what a
submitter hands over and what the door answers, `sentences` what is told to people in any language, `envelope` the pieces of one recipient's delivery, `outcome` what a receiver
said, `limits` every number that bounds something, `errors` the two kinds of failure that are not our own bug.
"""
