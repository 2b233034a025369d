#!/usr/bin/env python3
"""Reference values for the Holt-Winters recursions: statsmodels' ExponentialSmoothing with known initial states.

    /usr/bin/python3 holt_winters.py > holt_winters.json        (Debian's python3-statsmodels 0.13.5)
    /usr/bin/python3 holt_winters.py speed                      (the peer of BenchmarkHoltWinters)

For each case: fixed parameters give fitted values and forecasts; free ones give the smallest sum of squares that scipy finds over statsmodels' recursions.
"""
import json, sys, warnings
import numpy as np
from scipy.optimize import minimize
from statsmodels.tsa.holtwinters import ExponentialSmoothing

warnings.simplefilter("ignore")
rng = np.random.default_rng(5)
m, n = 24, 480
t = np.arange(n)
season = 10 * np.sin(2 * np.pi * t / m) + 4 * np.cos(4 * np.pi * t / m)
add = 100 + 0.05 * t + np.cumsum(0.3 * rng.standard_normal(n)) + season + 1.5 * rng.standard_normal(n)
mul = (100 + 0.05 * t + np.cumsum(0.3 * rng.standard_normal(n))) * (1 + season / 40) * (1 + 0.02 * rng.standard_normal(n))
out = {"period": m, "cases": []}
for name, y, kind in (("additive", add, "add"), ("multiplicative", mul, "mul")):
    level = float(np.mean(y[:m]))
    trend = float((np.mean(y[m:2 * m]) - np.mean(y[:m])) / m)
    s0 = (y[:m] - level) if kind == "add" else (y[:m] / level)
    for damped in (False, True):
        def model():
            return ExponentialSmoothing(y, trend="add", damped_trend=damped, seasonal=kind, seasonal_periods=m,
                                        initialization_method="known", initial_level=level, initial_trend=trend, initial_seasonal=s0)
        p = dict(smoothing_level=0.3, smoothing_trend=0.05, smoothing_seasonal=0.1)
        if damped:
            p["damping_trend"] = 0.9
        fixed = model().fit(optimized=False, **p)
        # statsmodels' own search also looks for other initial states when they are "known", so scipy searches over its recursions.
        def sse(x):
            a, b, g = (1 / (1 + np.exp(-v)) for v in x[:3])
            q = dict(smoothing_level=a, smoothing_trend=b, smoothing_seasonal=(1 - a) * g)
            if damped:
                q["damping_trend"] = 0.8 + 0.195 / (1 + np.exp(-x[3]))
            return model().fit(optimized=False, **q).sse
        best = min((minimize(sse, np.array(start)[:4 if damped else 3], method="Nelder-Mead", options=dict(maxfev=400, xatol=1e-3, fatol=1e-3)).fun
                    for start in ([-1, -4, -4, 1], [0, -7, -1, 3])))
        out["cases"].append({
            "name": name + (", damped" if damped else ""), "multiplicative": kind == "mul", "damped": damped, "values": list(y),
            "level": level, "trend": trend, "season": list(s0), "alpha": 0.3, "beta": 0.05, "gamma": 0.1, "phi": 0.9 if damped else 1.0,
            "fitted": list(fixed.fittedvalues), "forecast": list(fixed.forecast(48)), "sse": float(fixed.sse),
            "best": float(best),
        })
if len(sys.argv) > 1:
    import time
    c = out["cases"][1]
    def model():
        return ExponentialSmoothing(np.array(c["values"]), trend="add", damped_trend=True, seasonal="add", seasonal_periods=m,
                                    initialization_method="known", initial_level=c["level"], initial_trend=c["trend"], initial_seasonal=np.array(c["season"]))
    for what, fit in (("smooth", lambda: model().fit(optimized=False, smoothing_level=0.3, smoothing_trend=0.05, smoothing_seasonal=0.1, damping_trend=0.9)),
                      ("optimise", lambda: model().fit(optimized=True))):
        fit()
        t0, k = time.process_time(), 0
        while time.process_time() - t0 < 2:
            fit()
            k += 1
        print("%s: %.0f samples/s" % (what, k * n / (time.process_time() - t0)))
    sys.exit()
json.dump(out, sys.stdout)
