"""Medical images for gankit. This module is imported whenever gankit lists its parts: it imports no torch."""

from gankit import hookimpl

gankit_api = 1

PARTS = (
    ("codec", "dicom", "dicom:Dicom", "DICOM images of one frame: units by slope and intercept, orientation, new UIDs"),
    ("codec", "nifti", "nifti:Nifti", "NIfTI volumes, cut into slices along an axis of the body; the affine is kept"),
    ("generator", "slice_unet", "generator:SliceUNet", "a U-Net at full size that draws what is added to a slice"),
    ("dataset", "phantom", "phantom:Phantom", "drawn abdomens with and without contrast medium, with the truth, in HU"),
    ("dataset", "volumes", "volumes:Volumes", "slices of NIfTI volumes and DICOM series, split by patient"),
    ("metric", "body_mae", "metrics:BodyMAE", "mean absolute error within the body, in the units of the files"),
    ("metric", "body_psnr", "metrics:BodyPSNR", "PSNR within the body, the peak being the window"),
    ("metric", "body_ssim", "metrics:BodySSIM", "SSIM within the body, the range being the window"),
    ("metric", "vessel_mae", "metrics:VesselMAE", "error in the vessels and outside them, beside trivial answers"),
)


@hookimpl
def gankit_components(add) -> None:
    for kind, name, place, summary in PARTS:
        add(kind, name, f"gankit_medical.{place}", summary)


@hookimpl
def gankit_recipes(add) -> None:
    for name in ("contrast-ct", "contrast-ct-volumes", "virtual-staining"):
        add(name, f"gankit_medical:recipes/{name}.yaml")


@hookimpl
def gankit_commands(app) -> None:
    from gankit_medical.commands import medical

    app.add_typer(medical, name="medical")
