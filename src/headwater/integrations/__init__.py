"""Thin files that hook Headwater into other libraries, one each.

Import the one that is of use:

    from headwater.integrations.lightning import HeadwaterCallback
    from headwater.integrations.transformers import HeadwaterCallback
    from headwater.integrations.accelerate import watch
    from headwater.integrations.keras import HeadwaterCallback
    from headwater.integrations.tensorboard import TensorBoardSink
    from headwater.integrations.wandb import WandbSink
    from headwater.integrations.mlflow import MlflowSink

``headwater.testing.assert_gradient_flow`` is the check for test suites; its pytest fixture comes with the package.
"""
