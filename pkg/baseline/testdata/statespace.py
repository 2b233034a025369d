"""Reference values and speeds for the state-space baselines, from statsmodels 0.13 and numpy 1.24 (Debian's python3-statsmodels).

    OMP_NUM_THREADS=1 /usr/bin/python3 pkg/baseline/testdata/statespace.py > pkg/baseline/testdata/statespace.json
    OMP_NUM_THREADS=1 /usr/bin/python3 pkg/baseline/testdata/statespace.py times
"""
import json
import sys
import time
import warnings

import numpy as np
import statsmodels
from statsmodels.tsa.statespace.initialization import Initialization
from statsmodels.tsa.statespace.sarimax import SARIMAX
from statsmodels.tsa.statespace.structural import UnobservedComponents

warnings.simplefilter("ignore")


def holed(y):
    y = np.round(y, 4)
    y[40:43] = np.nan
    y[90] = np.nan
    return y


def values(x):
    return [None if np.isnan(v) else float("%.12g" % v) for v in x]


def filtered(name, y, res, extra):
    f = res.filter_results if hasattr(res, "filter_results") else res
    return dict(
        name=name,
        y=values(y),
        loglike=float(res.llf),
        expected=values(f.forecasts[0]),
        variance=values(f.forecasts_error_cov[0, 0]),
        **extra,
    )


def structural():
    rng = np.random.default_rng(5)
    y = holed(np.cumsum(0.3 * rng.standard_normal(120)) + rng.standard_normal(120))
    m = UnobservedComponents(y, "local level")
    m.ssm.initialize_known(np.zeros(1), np.array([[2.0]]))
    m.ssm.loglikelihood_burn = 0  # the prior is known: every sample counts
    params = dict(irregular=1.3, level=0.2)
    return [filtered("local level", y, m.smooth([1.3, 0.2]), dict(params=params, prior=[[2.0]]))]


def damped():
    """UnobservedComponents has no damped trend: the matrices of its local linear trend are given the fading slope."""
    rng = np.random.default_rng(6)
    y = holed(np.cumsum(0.2 * rng.standard_normal(120) + 0.1) + rng.standard_normal(120))
    out = []
    for fading in (1.0, 0.9):
        m = UnobservedComponents(y, "local linear trend")
        prior = np.array([[2.0, 0.1], [0.1, 0.5]])
        m.ssm.initialize_known(np.zeros(2), prior)
        m.ssm.loglikelihood_burn = 0
        m.update([0.9, 0.15, 0.01])
        m.ssm["transition", 1, 1] = fading
        res = m.ssm.filter()
        out.append(
            dict(
                name="trend fading by %g" % fading,
                y=values(y),
                loglike=float(res.llf),
                expected=values(res.forecasts[0]),
                variance=values(res.forecasts_error_cov[0, 0]),
                params=dict(irregular=0.9, level=0.15, slope=0.01, fading=fading),
                prior=prior.tolist(),
            )
        )
    return out


ORDERS = [
    ((1, 0, 0), [0.7], []),
    ((2, 0, 1), [0.5, 0.3], [0.4]),
    ((0, 0, 2), [], [0.6, -0.2]),
    ((3, 0, 2), [0.4, -0.3, 0.5], [0.3, 0.2]),
    ((0, 1, 1), [], [-0.6]),
    ((1, 1, 1), [0.5], [-0.8]),
    ((3, 1, 2), [0.3, 0.2, -0.1], [-0.4, 0.1]),
]


def arima():
    rng = np.random.default_rng(7)
    e = rng.standard_normal(120)
    w = np.zeros(120)
    for t in range(2, 120):
        w[t] = 0.6 * w[t - 1] + 0.1 * w[t - 2] + e[t] - 0.3 * e[t - 1]
    out = []
    for order, ar, ma in ORDERS:
        y = holed(np.cumsum(w) if order[1] else w)
        m = SARIMAX(y, order=order, use_exact_diffuse=True, enforce_stationarity=False, enforce_invertibility=False)
        if order[1] == 0:  # otherwise the autoregressive part is started diffuse as well
            m.ssm.initialize_stationary()
        else:
            k = m.k_states
            init = Initialization(k)
            init.set((0, 1), "diffuse")
            init.set((1, k), "stationary")
            m.ssm.initialization = init
        params = ar + ma + [1.7]
        out.append(filtered("arima%s" % (order,), y, m.smooth(params), dict(order=order, ar=ar, ma=ma, variance_of=1.7)))
    return out


def fitted():
    """The likeliest parameters that statsmodels finds, for the orders that are fitted here."""
    out = []
    for seed, d in ((11, 0), (12, 1)):
        rng = np.random.default_rng(seed)
        e = rng.standard_normal(600)
        w = np.zeros(600)
        for t in range(2, 600):
            w[t] = 0.7 * w[t - 1] - 0.2 * w[t - 2] + e[t] + 0.5 * e[t - 1]
        y = np.round(np.cumsum(w) if d else w, 4)
        fits = []
        for p in range(4):
            for q in range(3):
                m = SARIMAX(y, order=(p, d, q), use_exact_diffuse=True)
                res = m.fit(disp=False, maxiter=200)
                fits.append(dict(order=[p, d, q], loglike=float(res.llf)))
        out.append(dict(y=values(y), d=d, fits=fits))
    return out


def times():
    """A week of one sample a minute: fit, and one expected value per sample."""
    rng = np.random.default_rng(1)
    n = 10080
    y = 100 + 30 * np.sin(2 * np.pi * np.arange(n) / 1440) + 3 * rng.standard_normal(n)
    for name, fit in (
        ("SARIMAX(1,1,1)", lambda: SARIMAX(y, order=(1, 1, 1)).fit(disp=False)),
        ("UnobservedComponents, local level", lambda: UnobservedComponents(y, "local level").fit(disp=False)),
    ):
        began = time.perf_counter()
        fit()
        print("%s, fit and predict: %.0f samples/s" % (name, n / (time.perf_counter() - began)))


if sys.argv[1:] == ["times"]:
    times()
    sys.exit()
json.dump(
    dict(made="statsmodels %s" % statsmodels.__version__, structural=structural() + damped(), arima=arima(), fitted=fitted()),
    sys.stdout,
)
