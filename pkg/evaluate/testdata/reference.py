#!/usr/bin/env python3
"""Writes reference.csv: what ../../../../shared/score/score_tsad.py says about three scores on the files of every set.

    OMP_NUM_THREADS=1 /usr/bin/python3 reference.py ../../../../shared | grep -vE "^(ucr|aiops_kpi),[^,]*,hash" > reference.csv

The scores can be computed exactly alike anywhere: diff is |x[i] - x[i-1]| (0 at 0), hash is (7919 i mod 10007) / 10007, and season is the reference's own
seasonal-naive z. Files are in the order and choice of its run_kpi, run_nab and run_multi (UCR: 30). SMD and ASD: diff of the first channel of the test part.
"""
import glob, gzip, json, os, random, sys
sys.dont_write_bytecode = True
root = os.path.abspath(sys.argv[1])
os.environ['TSAD_ROOT'] = root
sys.path.insert(0, root + '/score')
import numpy as np
import score_tsad as ref


def diff(x):
    return np.r_[0.0, np.abs(np.diff(x))]


def hashed(x):
    return (np.arange(len(x)) * 7919 % 10007) / 10007


def out(ds, name, x, lab, scores):
    L = ref.period(x)
    for what, s in scores.items():
        m = ref.measure(lab, s, L)
        print(','.join([ds, name, what, str(len(x)), str(int(lab.sum())), str(L)] + [repr(float(v)) for v in m[:5]]), flush=True)


print('set,file,score,rows,labelled,buffer,vus_pr,vus_roc,auc_pr,auc_roc,f1')
meta, prof, data = ref.load_nab('data')
for k in sorted(meta):
    x, lab = data[k]
    if lab.any():
        out('nab', k, x, lab, {'diff': diff(x), 'hash': hashed(x), 'season': ref.b_seasonal(x, None, None)})
man = {m['path']: m for m in json.load(open(root + '/data/manifest.json'))}
for ds, N in (('tods', 99), ('wsd', 99), ('ucr', 30), ('aiops_kpi', 99)):
    files = sorted(glob.glob(f'{root}/data/{ds}/*.csv.gz'))
    random.Random(1).shuffle(files)
    used = 0
    for f in files:
        if used >= N:
            break
        x, lab = ref.load_uni(f)
        if ds in ('aiops_kpi', 'wsd'):
            n = man[ds + '/' + os.path.basename(f)]['train_rows']
            x, lab = x[n:], lab[n:]
        if not lab.any() or len(x) > 160000:
            continue
        used += 1
        out(ds, os.path.basename(f)[:-7], x, lab, {'diff': diff(x), 'hash': hashed(x), 'season': ref.b_seasonal(x, None, None)})
for ds in ('smd', 'asd'):
    for e in sorted(os.path.basename(f).split('.')[0] for f in glob.glob(f'{root}/data/{ds}/*.train.csv.gz')):
        _, Y = ref.read_csv(f'{root}/data/{ds}/{e}.test.csv.gz')
        lab = np.loadtxt(gzip.open(f'{root}/data/{ds}/{e}.label.txt.gz')).astype(int)
        if lab.any():
            out(ds, e, Y[:, 0], lab, {'diff': diff(Y[:, 0])})
