def fail():
    return {}["weights"]


fail()
