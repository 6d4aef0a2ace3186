"""Does the proved fix repair trainings that are broken, and does it leave healthy ones alone?"""
