"""The published baseline: ridge regression. Writes submission.csv.

    python3 baseline.py
"""

import pandas
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

ALPHA = 0.1


def main():
    train = pandas.read_csv("data/train.csv")
    test = pandas.read_csv("data/test.csv")
    features = train.drop(columns=["Id", "SalePrice"])
    numeric = features.select_dtypes("number").columns
    categorical = features.columns.difference(numeric, sort=False)
    preparation = ColumnTransformer(
        [
            ("numeric", make_pipeline(SimpleImputer(strategy="mean"), StandardScaler()), numeric),
            (
                "categorical",
                make_pipeline(
                    SimpleImputer(strategy="constant", fill_value="missing"),
                    OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                ),
                categorical,
            ),
        ]
    )
    model = make_pipeline(preparation, Ridge(alpha=ALPHA))
    model.fit(features, train["SalePrice"])
    predictions = model.predict(test.drop(columns="Id"))
    pandas.DataFrame({"Id": test["Id"], "SalePrice": predictions}).to_csv("submission.csv", index=False)


if __name__ == "__main__":
    main()
