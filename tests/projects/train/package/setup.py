from setuptools import setup

setup(name="berth-probe", version="1.0", packages=["pkg"])
