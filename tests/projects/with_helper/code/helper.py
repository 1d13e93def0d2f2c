class Model:
    def __init__(self, bias):
        self.bias = bias

    def predict(self, data):
        return data.sum(axis=1) + self.bias
