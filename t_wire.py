from minigpt.classroom.grading.wire import *
import numpy as np, torch
from collections import *
vals=[None,...,True,False,0,-1,255,-256,10**400,1.5,float('inf'),2j,"é\ud800",b"ab",range(3,9,2),[1,[2,()]],{1,2},frozenset({3}),{("a","b"):[1]},Counter("aab"),OrderedDict(a=1),defaultdict(int,a=2),
 np.ones((2,3)),np.float32(2.5),np.bool_(True),np.str_("a"),np.array(["ab","c"]),np.zeros((0,3)),np.array(5), np.array([1,None],object), torch.ones(2,3),torch.ones(()),torch.zeros(0,3),torch.ones(2,dtype=torch.bfloat16),torch.tensor([True]),torch.tensor([1+2j]),torch.ones(2,2).T.expand(2,2), np.int64(3), np.array([1.5],dtype=np.float16), np.array('',dtype='U'), np.arange(6)[::2]]
for v in vals:
    w=decode(encode(v)); assert type(w) is type(v),v
    if isinstance(v,torch.Tensor): assert torch.equal(v,w) and v.dtype==w.dtype
    elif isinstance(v,np.ndarray): assert v.dtype==w.dtype and v.shape==w.shape and (v==w).all(), (v,w)
    else: assert v==w,(v,w)
import random
r=random.Random(1)
base=[encode(v) for v in vals]
n=0
for i in range(20000):
    b=bytearray(r.choice(base))
    for _ in range(r.randint(1,4)):
        b[r.randrange(len(b))]=r.randrange(256)
    try: decode(bytes(b))
    except Malformed: n+=1
print("ok",n)
