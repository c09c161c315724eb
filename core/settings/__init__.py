"""The settings of a trial: immutable values, validated in one place, readable on disk, comparable."""

from core.settings.compare import Change, differences
from core.settings.edit import change_settings, field_of, make_settings, widths_text
from core.settings.fields import SettingField, Step, show_value
from core.settings.schema import (
    FIELDS,
    DataSettings,
    Device,
    HiddenLayer,
    ModelSettings,
    OutputLayer,
    Settings,
    TrainingSettings,
    parse_image_size,
)
from core.settings.toml_file import read_settings, settings_from_toml, settings_to_toml, write_settings

__all__ = [
    "FIELDS",
    "Change",
    "DataSettings",
    "Device",
    "HiddenLayer",
    "ModelSettings",
    "OutputLayer",
    "SettingField",
    "Settings",
    "Step",
    "TrainingSettings",
    "change_settings",
    "differences",
    "field_of",
    "make_settings",
    "parse_image_size",
    "read_settings",
    "settings_from_toml",
    "settings_to_toml",
    "show_value",
    "widths_text",
    "write_settings",
]
