#!/usr/bin/env python3
"""Reference values and speeds of the peers (needs python3-numpy, python3-scipy, python3-sklearn).

  OMP_NUM_THREADS=1 /usr/bin/python3 pkg/detect/testdata/peers.py values   writes peers.json beside this file: what the parity tests compare with
  OMP_NUM_THREADS=1 /usr/bin/python3 pkg/detect/testdata/peers.py times    prints how many units of work the peers do in a second of processor time, one core

The data are made by a linear congruential generator, so that Go and Python have the same.
"""
import json
import os
import sys
import time

import numpy as np


def uniform(n, seed):
    """n numbers in (0, 1): a 48-bit linear congruential generator, that of drand48."""
    out = np.empty(n)
    for i in range(n):
        seed = (0x5DEECE66D * seed + 0xB) & (2**48 - 1)
        out[i] = (seed + 0.5) / 2**48
    return out


def normal(n, seed):
    """n normal numbers by Box and Muller, one of two uniform ones."""
    u = uniform(2 * n, seed)
    return np.sqrt(-2 * np.log(u[0::2])) * np.cos(2 * np.pi * u[1::2])


def wave(n):
    """A noisy wave of 50 samples with a spike, a drop and a flat stretch."""
    i = np.arange(n)
    x = 10 + 3 * np.sin(2 * np.pi * i / 50) + 0.3 * normal(n, 1)
    x[700:703] += 5
    x[1200:1210] -= 4
    x[1800:1830] = 10
    return x


def points(n, d, seed):
    """Correlated points: each coordinate is noise plus half of the one before. Every hundredth lies far out."""
    z = normal(n * d, seed).reshape(n, d)
    for k in range(1, d):
        z[:, k] += 0.5 * z[:, k - 1]
    z[::100] *= 4
    return z


def sliding(x, w):
    return np.lib.stride_tricks.sliding_window_view(x, w)


def weighted(X):
    X = (X - X.mean(0)) / (X.std(0) + 1e-12)
    val, vec = np.linalg.eigh(X.T @ X / len(X))
    val = np.maximum(val, 1e-9 * val.max())
    return (((X @ vec) ** 2) / val / X.shape[1]).sum(1)


def residual(X):
    X = X - X.mean(0)
    val, vec = np.linalg.eigh(X.T @ X / len(X))
    k = max(1, int((np.cumsum(val[::-1]) / val.sum() <= 0.9).sum()))
    V = vec[:, -k:]
    return ((X - (X @ V) @ V.T) ** 2).sum(1)


def spectral_residual(x):
    """Score of the last sample of a window, as in Ren et al. 2019 with q = 3, z = 21, m = 5, five estimated samples; the spectrum is smoothed round its ends."""
    n, m = len(x), 5
    slope = np.mean([(x[-2] - x[-2 - i]) / i for i in range(1, m + 1)])  # without the judged sample, as the authors' code does
    y = np.r_[x, np.repeat(x[n - 1 - m] + slope * m, 5)]
    f = np.fft.fft(y)
    a = np.maximum(np.abs(f), 1e-8)
    log = np.log(a)
    smooth = (np.roll(log, 1) + log + np.roll(log, -1)) / 3
    s = np.abs(np.fft.ifft(f * np.exp(log - smooth) / a))
    mean = s[n - 22:n - 1].mean()
    return max(0, (s[n - 1] - mean) / mean)


def zwin(X):
    return (X - X.mean(1, keepdims=True)) / (X.std(1, keepdims=True) + 1e-8)


def values():
    from sklearn.cluster import KMeans
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import LocalOutlierFactor
    from sklearn.svm import OneClassSVM
    x = wave(3000)
    out = {'pca': {'weighted': weighted(sliding(x, 50))[::37].tolist(), 'residual': residual(sliding(x, 50))[::37].tolist()}}
    Z = zwin(sliding(x, 50))[::10]
    km = KMeans(5, init=Z[:5], n_init=1, max_iter=100, tol=0, algorithm='lloyd').fit(Z)
    out['kmeans'] = {'inertia': km.inertia_, 'distance': km.transform(Z).min(1)[::7].tolist()}
    A, B = points(1000, 8, 2), points(500, 8, 3)
    out['iforest'] = {'score': (-IsolationForest(n_estimators=500, random_state=0).fit(A).score_samples(B)).tolist()}
    out['lof'] = {'score': (-LocalOutlierFactor(n_neighbors=20, novelty=True).fit(A).score_samples(B)).tolist()}
    svm = OneClassSVM(kernel='rbf', gamma='scale', nu=0.1, tol=1e-6).fit(A)
    out['ocsvm'] = {'decision': svm.decision_function(B).tolist(), 'gamma': svm._gamma, 'vectors': len(svm.support_)}
    out['spectral_residual'] = {'score': [spectral_residual(x[i - 64:i]) for i in range(64, 3001)][::11]}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'peers.json'), 'w') as f:
        json.dump(out, f, indent=1)
        f.write('\n')


def timed(name, n, unit, f):
    f()
    best = min(_once(f) for _ in range(3))
    print(f'{name:40s} {n / best:12.0f} {unit}/cpu-s', flush=True)


def _once(f):
    t = time.process_time()
    f()
    return time.process_time() - t


def times():
    from sklearn.cluster import KMeans
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import LocalOutlierFactor
    from sklearn.svm import OneClassSVM
    x = wave(20000)
    X = sliding(x, 60)
    timed('pca, fit and score, windows of 60', len(X), 'windows', lambda: weighted(X))
    Z = zwin(X)
    km = KMeans(10, n_init=1, random_state=0, max_iter=100).fit(Z)
    timed('k-means, score, 10 of 60', len(Z), 'windows', lambda: km.transform(zwin(sliding(x, 60))).min(1))
    timed('k-means, fit and score, 10 of 60', len(Z), 'windows', lambda: KMeans(10, n_init=1, random_state=0, max_iter=100).fit(Z).transform(Z).min(1))
    timed('spectral residual, score, windows of 64', 2000, 'samples', lambda: [spectral_residual(x[i - 64:i]) for i in range(64, 2064)])
    A, B = points(2000, 8, 2), points(10000, 8, 3)
    f = IsolationForest(n_estimators=100, random_state=0, n_jobs=1).fit(A)
    timed('isolation forest, score, 100 trees', len(B), 'points', lambda: f.score_samples(B))
    o = LocalOutlierFactor(n_neighbors=20, novelty=True, n_jobs=1).fit(A)
    timed('local outlier factor, score, 8 of 2000', len(B), 'points', lambda: o.score_samples(B))
    s = OneClassSVM(kernel='rbf', gamma='scale', nu=0.1).fit(A)
    timed('one-class SVM, score, 8 of 2000', len(B), 'points', lambda: s.decision_function(B))
    timed('one-class SVM, fit', len(A), 'points', lambda: OneClassSVM(kernel='rbf', gamma='scale', nu=0.1).fit(A))


if __name__ == '__main__':
    {'values': values, 'times': times}[sys.argv[1] if len(sys.argv) > 1 else 'times']()
