"""Whether each row's prediction of a scikit-learn model is its own, whatever rows stand beside it.

A closed list: an estimator that is not named here is not batched, and nor is one that holds a function of the
user's. `tests/serve/frameworks/test_row_wise.py` compares every named one alone and among other rows.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mlberth_serve.frameworks.base import has_base

_ROW_WISE = """
ARDRegression AdaBoostClassifier AdaBoostRegressor AdditiveChi2Sampler AffinityPropagation BaggingClassifier
BaggingRegressor BayesianGaussianMixture BayesianRidge BernoulliNB Binarizer CCA CalibratedClassifierCV
CategoricalNB ClassifierChain ColumnTransformer ComplementNB DecisionTreeClassifier DecisionTreeRegressor
DummyClassifier DummyRegressor ElasticNet ElasticNetCV EllipticEnvelope ExtraTreeClassifier
ExtraTreeRegressor ExtraTreesClassifier ExtraTreesRegressor FactorAnalysis FastICA FeatureAgglomeration
FeatureUnion FixedThresholdClassifier FrozenEstimator GammaRegressor GaussianMixture GaussianNB
GenericUnivariateSelect GradientBoostingClassifier
GradientBoostingRegressor GridSearchCV HistGradientBoostingClassifier HistGradientBoostingRegressor
HuberRegressor IncrementalPCA IsolationForest Isomap IsotonicRegression KBinsDiscretizer KMeans KNNImputer
KNeighborsClassifier KNeighborsRegressor KNeighborsTransformer KernelPCA KernelRidge Lars LarsCV Lasso
LassoCV LassoLars LassoLarsCV LassoLarsIC LinearDiscriminantAnalysis LinearRegression LinearSVC LinearSVR
LogisticRegression LogisticRegressionCV MLPClassifier MLPRegressor MaxAbsScaler MeanShift MinMaxScaler
MiniBatchKMeans MissingIndicator MultiOutputClassifier MultiOutputRegressor MultiTaskElasticNet
MultiTaskElasticNetCV MultiTaskLasso MultiTaskLassoCV MultinomialNB NearestCentroid
NeighborhoodComponentsAnalysis Normalizer NuSVC NuSVR Nystroem OneClassSVM OneHotEncoder OneVsOneClassifier
OneVsRestClassifier OrdinalEncoder OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV
OutputCodeClassifier PCA PLSCanonical PLSRegression PLSSVD PassiveAggressiveClassifier
PassiveAggressiveRegressor Perceptron Pipeline PoissonRegressor PolynomialFeatures PowerTransformer
QuadraticDiscriminantAnalysis QuantileRegressor QuantileTransformer RANSACRegressor RBFSampler RFE RFECV
RadiusNeighborsClassifier RadiusNeighborsRegressor RandomForestClassifier RandomForestRegressor
RandomTreesEmbedding RandomizedSearchCV RegressorChain Ridge RidgeCV RidgeClassifier RidgeClassifierCV
RobustScaler SGDClassifier SGDOneClassSVM SGDRegressor SVC SVR SelectFdr SelectFpr SelectFromModel SelectFwe
SelectKBest SelectPercentile SelfTrainingClassifier SequentialFeatureSelector SimpleImputer
SplineTransformer StackingClassifier StackingRegressor StandardScaler TargetEncoder TheilSenRegressor
TransformedTargetRegressor TruncatedSVD TunedThresholdClassifierCV TweedieRegressor VarianceThreshold
VotingClassifier VotingRegressor
"""
ROW_WISE = frozenset(_ROW_WISE.split())
"""Left out on purpose: NMF, MiniBatchNMF, Birch, SparsePCA and the dictionaries, which solve for all rows
together, and FunctionTransformer, whose function is anybody's."""
_MADE_INSIDE = """
KernelCenterer LabelBinarizer LabelEncoder NearestNeighbors _BinMapper
_CalibratedClassifier _ConstantPredictor _RidgeGCV
_SigmoidCalibration
"""
_INSIDE = ROW_WISE | frozenset(_MADE_INSIDE.split())
"""With the estimators that those make for themselves; no model is one of them."""
_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic, range, slice)
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, np.ufunc)
_FITTING = ("sklearn.feature_selection.", "sklearn.metrics.")
"""Functions of scikit-learn that a model may hold: they score features and parameters while it is fitted."""
_FREE_FUNCTION = "sklearn.preprocessing._function_transformer.FunctionTransformer"
_LIBRARIES = frozenset({"numpy", "scipy"})
"""What objects of theirs hold is data: sparse matrices, splines, states of random numbers."""


def is_row_wise(model: Any) -> bool:
    """Return whether a model and all that is in it, however deep, is on the list."""
    if type(model).__name__ not in ROW_WISE:
        return False
    left, seen = [model], set[int]()
    while left:
        part = left.pop()
        if isinstance(part, _PLAIN) or id(part) in seen:
            continue
        seen.add(id(part))
        inner = _look_into(part)
        if inner is None:
            return False
        left.extend(inner)
    return True


def _look_into(part: Any) -> Iterable[Any] | None:
    """Return what a part of a model holds; None if the part itself is not on the list."""
    if isinstance(part, np.ndarray):
        return list(part.ravel()) if part.dtype.hasobject else ()
    if type(part) in (list, tuple, set, frozenset):
        return list(part)
    if isinstance(part, Mapping):
        return [*part.keys(), *part.values()]
    if isinstance(part, type):  # a dtype, such as OneHotEncoder's
        return () if part.__module__ in ("builtins", "numpy") else None
    if isinstance(part, _FUNCTIONS):
        return () if str(getattr(part, "__module__", None)).startswith(_FITTING) else None
    return _look_into_object(part)


def _look_into_object(part: Any) -> Iterable[Any] | None:
    library = str(type(part).__module__).partition(".")[0]
    if library in _LIBRARIES:
        return ()
    if type(part) is functools.partial:
        return [part.func, part.args, part.keywords]
    if has_base(part, _FREE_FUNCTION):
        return () if part.func is None and part.inverse_func is None else None
    is_estimator = has_base(part, "sklearn.base.BaseEstimator")
    if library != "sklearn" or (is_estimator and type(part).__name__ not in _INSIDE):
        return None
    return list(getattr(part, "__dict__", {}).values())
