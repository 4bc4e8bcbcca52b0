"""Data of a training alone, from files: interactions in text or Parquet, and what may lie beside them."""

from hnlm_ray.cf.files.assembling import hold_out
from hnlm_ray.cf.files.folder import Loaded, load_folder
from hnlm_ray.cf.files.ngcf import read_ngcf
from hnlm_ray.cf.files.parquet import read_parquet
from hnlm_ray.cf.files.side_files import export_index, save_scores

__all__ = ["Loaded", "export_index", "hold_out", "load_folder", "read_ngcf", "read_parquet", "save_scores"]
