"""A synthetic data set in TAU's layout: real WAV and MP4 files of ten made-up scenes.

Five families of sound (``avsc/synth/sounds.py``) and five of picture
(``avsc/synth/backdrops.py``) are dealt out so that each scene's pair is its own, while each
family is shared::

    sound      hall babble      rails          engines         open air        steps and bells
    scenes     airport          metro          bus             park            street_pedestrian
               shopping_mall    metro_station  street_traffic  public_square   tram

    picture    cabin   hall            shop fronts        facades         green
    scenes     bus     airport         shopping_mall      public_square   park
               metro   metro_station   street_pedestrian  street_traffic
               tram

So sound alone, and picture alone, can name every second scene, and both together all of them.
Scenes that share a family lean to different sides of it (a mall's hall has more music, an
airport's more chimes; a metro's windows are mostly dark): a weak hint. Now and then a gust
covers the sound, or a passer-by the picture, for a second or two: no system is perfect.

A location is one drawn place, one lens and colour cast, one room (a stereo impulse response), one
equaliser and one background; its clips differ in people, vehicles, events and framing. Locations
of a scene differ as much as scenes do, and the folds share none, so scores of a location-disjoint
split are lower than those of a random one, as with the real recordings.

All draws are functions of (seed, name): a clip's bytes depend on the settings and its id, not on
the other clips, the number of workers or the order of work; another version of the codec
libraries may encode the same samples and pictures differently.
"""
